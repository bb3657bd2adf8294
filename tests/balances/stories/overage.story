story nothing is granted once a bundle with a stop is used up, whatever the balance
quote data steps=-:1:1 offers=gig overage=gig:stop
account ann money=100
give ann gig octets 10
open s | k wanted=8 quote=data -> done | k granted=8 final=no
update s | k used=8 wanted=8 quote=data -> done | k granted=2 final=yes
update s | k used=2 wanted=8 quote=data -> done | k granted=0 refused=insufficient-credit
money ann -> reserved=0

story what is used in spite of a stop has the quote's own price
quote data steps=-:1:2 offers=gig overage=gig:stop
account ann money=100
give ann gig octets 10
open s | k wanted=10 quote=data -> done | k granted=10 final=yes
close s | k used=13 -> done spent=6

story overage has a price of its own, and a grant is never of both
quote more steps=-:1:5
quote data steps=-:1:2 offers=gig overage=gig:more
account ann money=100
give ann gig octets 10
open s | k wanted=15 quote=data -> done | k granted=10 cost=0 final=no terms=data
update s | k used=10 wanted=4 quote=data -> done | k granted=4 cost=20 terms=more
close s | k used=6 -> done spent=30

story overage may be free and slowed down
quote slow
quote data steps=-:1:2 offers=gig overage=gig:slow
account ann
give ann gig octets 10
open s | k wanted=8 quote=data -> done | k granted=8 final=no terms=data
update s | k used=8 wanted=8 quote=data -> done | k granted=2 final=no terms=data
update s | k used=2 wanted=800 quote=data -> done | k granted=800 cost=0 final=no terms=slow
close s | k used=900 -> done spent=0

story overage holds as long as the bundle runs, then the quote's own price
quote more steps=-:1:5
quote data steps=-:1:2 offers=gig overage=gig:more
account ann money=100
give ann gig octets 10 expires_at=2000
open s deadline=9000 | k wanted=10 quote=data -> done
update s deadline=9000 | k used=10 wanted=2 quote=data -> done | k cost=10
now 2000
update s deadline=9000 | k used=2 wanted=2 quote=data -> done | k settled=10 cost=4

story a bundle that has not begun has no overage
quote data steps=-:1:2 offers=gig overage=gig:stop
account ann money=100
give ann gig octets 10 starts_at=5000
open s | k wanted=5 quote=data -> done | k granted=5 cost=10

story another allowance pays before overage, bonus money pays it
quote more steps=-:1:5
quote data steps=-:1:2 offers=gig,extra,gift overage=gig:more
account ann money=100
give ann gig octets 10
give ann extra octets 4 priority=200
give ann gift money 12
open s | k wanted=10 quote=data -> done | k granted=10
update s | k used=10 wanted=10 quote=data -> done | k granted=4 cost=0 terms=data
update s | k used=4 wanted=3 quote=data -> done | k granted=3 cost=3 terms=more
bucket ann gift#3 -> reserved=12

story overage counts for no tier of the quote's
quote more steps=-:1:5
quote data steps=10:1:4,-:1:1 offers=gig overage=gig:more
account ann money=1000
open s deadline=9000 | k wanted=5 quote=data -> done | k cost=20
give ann gig octets 10 expires_at=3000
update s deadline=9000 | k used=5 wanted=10 quote=data -> done | k settled=20 cost=0
update s deadline=9000 | k used=10 wanted=20 quote=data -> done | k cost=100
now 3000
update s deadline=9000 | k used=20 wanted=6 quote=data -> done | k settled=100 cost=21

story the first bundle that runs says what its overage is
quote more steps=-:1:5
quote data steps=-:1:2 offers=a,b overage=a:stop,b:more
account ann money=100
give ann a octets 1 priority=2
give ann b octets 1 priority=1
open s | k wanted=2 quote=data -> done | k granted=2
update s | k used=2 wanted=2 quote=data -> done | k granted=2 cost=10 terms=more

story parallel sessions share what is left
quote data steps=-:1:1 offers=gig share=50 floor=10
account ann money=60
give ann gig octets 40
open s | k wanted=1000 quote=data -> done | k granted=50 cost=10 final=no
open t | k wanted=1000 quote=data -> done | k granted=25 cost=25 final=no
open u | k wanted=1000 quote=data -> done | k granted=12 cost=12 final=no
open v | k wanted=1000 quote=data -> done | k granted=10 cost=10 final=no
open w | k wanted=1000 quote=data -> done | k granted=3 cost=3 final=yes

story a share is never more than is wanted, and an event takes no share
quote data steps=-:1:1 share=10 floor=2
account ann money=100
open s | k wanted=5 quote=data -> done | k granted=5 final=no
event e | k wanted=90 quote=data -> done | k granted=90

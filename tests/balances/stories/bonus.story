story bonus money pays the price before the main balance, and both hold their part of a grant
quote data steps=-:1:2 offers=gift
account ann money=100
give ann gift money 50
open s | k wanted=40 quote=data -> done available=70 | k granted=40 cost=30 final=no
bucket ann gift#1 -> reserved=50
update s | k used=20 wanted=10 quote=data -> done spent=0 available=90 | k granted=10 cost=10 settled=0
bucket ann gift#1 -> reserved=10 debited=40
close s | k used=10 -> done spent=10 available=90
bucket ann gift#1 -> reserved=0 debited=50
money ann -> debited=10 reserved=0

story allowances pay before bonus money, bonus money by priority
quote data steps=-:1:1 offers=gig,gift
account ann money=100
give ann gift money 10 priority=9
give ann gift money 10 priority=1
give ann gig octets 10 priority=99
open s | k wanted=25 quote=data -> done | k granted=25 cost=0
bucket ann gig#3 -> reserved=10
bucket ann gift#2 -> reserved=10
bucket ann gift#1 -> reserved=5

story bonus money pays only under quotes that name its offer, and not for money itself
quote data steps=-:1:1
quote par steps=-:1:1
account ann money=5
give ann gift money 50
open s | k wanted=10 quote=data least=1 | m unit=money wanted=1 quote=par -> done | k granted=5 final=yes | m granted=0 refused=insufficient-credit
bucket ann gift#1 -> reserved=0

story bonus money alone is enough, and is the last of it
quote data steps=-:1:1 offers=gift
account ann
give ann gift money 10
open s | k wanted=15 quote=data -> done available=0 | k granted=10 cost=0 final=yes
close s | k used=10 -> done spent=0
bucket ann gift#1 -> debited=10

story usage beyond the grant takes what bonus money is left before the main balance
quote data steps=-:1:1 offers=gift
account ann money=5
give ann gift money 20
open s | k wanted=10 quote=data -> done
close s | k used=28 -> done spent=8 available=-3
bucket ann gift#1 -> debited=20
money ann -> overrun=3

story an event is paid by bonus money, and a refund gives it back to its bucket
quote sms steps=-:1:9 offers=gift
account ann money=100
give ann gift money 12
event s op=1 | k wanted=2 quote=sms -> done spent=6 available=94 | k granted=2 cost=6
bucket ann gift#1 -> debited=12
refund r 1 s -> found=yes amount=6
bucket ann gift#1 -> debited=12 credited=24
money ann -> available=100
refund r 2 s -> found=yes again=yes amount=0

story a refund of a part brings its share of the money, the main balance first
quote sms steps=-:1:10 offers=gift
account ann money=100
give ann gift money 15
event s op=1 | k wanted=4 quote=sms -> done spent=25 available=75
refund r 1 s units=3 -> found=yes amount=25 units=3
bucket ann gift#1 -> credited=20
refund r 2 s units=1 -> found=yes amount=0 units=1
bucket ann gift#1 -> credited=30
money ann -> available=100

story a call that lapsed was paid by bonus money, and a late report says better
quote call steps=-:1:1 offers=gift
account ann money=10
give ann gift money 20
open s lapse=charge deadline=1100 | k wanted=25 quote=call -> done | k granted=25 cost=5
now 1200
expire -> s
bucket ann gift#1 -> debited=20 reserved=0
money ann -> debited=5
close s | k used=8 -> lapsed-session spent=0
bucket ann gift#1 -> credited=40 debited=28
money ann -> debited=5 credited=15 available=10

story what bonus money an ended bucket held still pays
quote data steps=-:1:1 offers=gift
account ann money=100
give ann gift money 20 expires_at=1050
open s deadline=99000 | k wanted=10 quote=data -> done | k cost=0 ends_in=50
now 1060
expire ->
update s deadline=99000 | k used=10 wanted=10 quote=data -> done spent=0 | k settled=0 cost=10 ends_in=none
now 62000
expire ->
bucket ann gift#1 -> gone
close s -> done spent=0

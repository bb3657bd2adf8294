story a session is reserved, settled and closed to the last unit
quote data steps=-:10:5
account ann money=1000
open s | k wanted=100 quote=data -> done spent=0 available=950 | k granted=100 cost=50 settled=0 final=no
money ann -> reserved=50 debited=0
update s | k used=100 wanted=100 quote=data -> done spent=50 available=900 | k granted=100 cost=50 settled=50
update s | k used=35 wanted=0 -> done spent=70 available=930 | k granted=0 cost=0 settled=20
close s | k used=5 -> done spent=70 | k settled=0               # the block had been paid for
money ann -> credited=1000 debited=70 reserved=0 overrun=0
entries ann -> topup open update update                         # the close moved nothing
session s -> state=closed spent=70

story the last grant is final, and nothing is granted beyond the credit
quote data steps=-:10:5
account ann money=12
open s | k wanted=100 quote=data -> done available=2 | k granted=20 cost=10 final=yes
update s | k used=20 wanted=100 quote=data -> done | k granted=0 refused=insufficient-credit settled=10 final=no
money ann -> debited=10 reserved=0 available=2
close s -> done

story a grant that leaves nothing for another is final even if it is whole
quote data steps=-:10:5
account ann money=10
open s | k wanted=20 quote=data -> done | k granted=20 final=yes

story all or nothing where least is what is wanted
quote data steps=-:10:5
account ann money=12
open s | k wanted=30 least=30 quote=data -> done available=12 | k granted=0 refused=insufficient-credit
open t | k wanted=20 least=20 quote=data -> done available=2 | k granted=20

story a credit limit is spent like money
quote data steps=-:1:1
account ann money=5 limit=10
open s | k wanted=100 quote=data -> done available=0 | k granted=15 cost=15 final=yes

story usage beyond the grant is debited and counted as overrun
quote data steps=-:1:1
account ann money=10
open s | k wanted=10 quote=data -> done | k granted=10
close s | k used=25 -> done spent=25 available=-15 | k settled=25
money ann -> debited=25 overrun=15 reserved=0
move ann 10
open t | k wanted=1 quote=data -> done | k granted=0 refused=insufficient-credit

story keys not mentioned keep what they hold
quote data steps=-:1:1
account ann money=100
open s | a wanted=40 quote=data | b wanted=40 quote=data -> done available=20 | a granted=40 | b granted=40
update s | a used=40 wanted=40 quote=data -> done available=0 | a granted=20 final=yes settled=40
close s | b used=10 -> done spent=50 available=50

story totals settle the difference to what was settled before
quote call steps=-:1:2
account ann money=1000
open s | k wanted=60 quote=call -> done
update s | k total=50 wanted=60 -> done spent=100 | k settled=100
update s | k total=50 wanted=60 -> done spent=100 | k settled=0
update s | k total=40 wanted=60 -> done spent=100 | k settled=0
close s | k total=70 -> done spent=140

story the set-up fee is due once however the session is cut
quote call setup=20 steps=60:60:6,-:1:1
account ann money=1000
open s | k wanted=30 quote=call -> done | k granted=30 cost=26
update s | k used=30 wanted=40 quote=call -> done | k cost=10 settled=26
close s | k used=40 -> done spent=36

story a new price holds from the next reservation on
quote cheap steps=-:1:1
quote dear steps=-:1:3
account ann money=100
open s | k wanted=10 quote=cheap -> done | k cost=10
update s | k used=10 wanted=10 quote=dear -> done | k settled=10 cost=30
close s | k used=10 -> done spent=40

story a key without conditions is neither settled nor granted
quote data steps=-:1:1
account ann money=100
open s | k used=5 wanted=10 -> done available=100 | k granted=0 refused=unquoted settled=0
update s | k wanted=10 quote=data denied=barred -> done | k granted=0 refused=barred
update s | k used=3 wanted=10 -> done | k granted=10 settled=3

story a suspended account is granted nothing but pays for what it used
quote data steps=-:1:1
account ann money=100
open s | k wanted=10 quote=data -> done
status ann suspended
update s | k used=10 wanted=10 quote=data -> done | k granted=0 refused=suspended settled=10
close s -> done spent=10

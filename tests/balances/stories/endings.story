story a session nobody renews lapses and frees what it held
quote data steps=-:1:1
account ann money=100
open s deadline=1100 | k wanted=10 quote=data -> done
now 1050
update s deadline=1200 | k used=10 wanted=10 quote=data -> done
now 1150
expire ->
now 1200
expire -> s
money ann -> debited=10 reserved=0
session s -> state=lapsed
entries ann -> topup open update lapsed

story a report after the lapse is debited once and nothing is granted
quote data steps=-:1:1
account ann money=10
open s deadline=1100 | k wanted=10 quote=data -> done
now 1100
expire -> s
update s op=9 | k used=4 wanted=10 quote=data -> lapsed-session spent=4 | k granted=0 settled=4
update s op=9 | k used=4 wanted=10 quote=data -> lapsed-session spent=4 replayed=yes
close s | k used=8 -> lapsed-session spent=12
money ann -> debited=12 overrun=2
close s | k used=1 -> closed-session spent=12

story what was granted is charged at the lapse until a report says better
quote data steps=-:1:1 offers=a
account ann money=100
give ann a octets 5
open s deadline=1100 lapse=charge | k wanted=20 quote=data -> done
now 1100
expire -> s
money ann -> debited=15 reserved=0
bucket ann a#1 -> debited=5 reserved=0
session s -> spent=15
close s | k used=8 -> lapsed-session spent=3 available=97 | k settled=3
money ann -> credited=115 debited=18 overrun=0
bucket ann a#1 -> credited=10 debited=10
entries ann -> topup gift open lapsed reversal

story a shorter deadline is kept
quote data steps=-:1:1
account ann money=100
open s deadline=5000 | k wanted=10 quote=data -> done
update s deadline=1100 -> done
now 1100
expire -> s

story a late report after an end without one is settled, once, and nothing is granted
quote call steps=-:1:1
account ann money=100
open s | k wanted=20 quote=call -> done
lapse s -> done available=100
lapse s -> closed-session
money ann -> available=100 reserved=0
update s | k used=5 wanted=20 -> lapsed-session spent=5 | k granted=0
close s | k total=12 -> lapsed-session spent=12 available=88
close s | k total=12 -> closed-session spent=12
close s | k total=15 -> closed-session spent=12
money ann -> available=88 debited=12

story an end without a report voids the opening that it overtook
quote call steps=-:1:1
account ann money=100
lapse s -> unknown-session
open s | k wanted=20 quote=call -> closed-session
money ann -> available=100 reserved=0

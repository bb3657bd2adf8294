story three wallets move in one group, each by its own price
quote retail steps=-:1:5
quote dealer steps=-:1:3
quote carrier steps=-:1:2
account rex money=1000
account mid money=1000 parent=rex billing=resold
account ann money=1000 parent=mid billing=resold
open s | k wanted=100 quote=retail up=dealer,carrier -> done available=500 | k granted=100 cost=500 final=no
group -> 0:ann 1:mid 2:rex
money mid -> reserved=300
money rex -> reserved=200
update s | k used=60 wanted=10 quote=retail up=dealer,carrier -> done spent=300 | k settled=300 granted=10 cost=50
close s | k used=10 -> done spent=350
money ann -> debited=350 reserved=0
money mid -> debited=210 reserved=0
money rex -> debited=140 reserved=0
margins mid -> 0 120 20
margins rex -> 0 60 10
margins ann ->

story the grant is the least that any of them can pay for
quote retail steps=-:1:5
quote dealer steps=-:1:3
account rex money=90
account ann money=1000 parent=rex billing=resold
open s | k wanted=100 quote=retail up=dealer -> done | k granted=30 cost=150 final=yes
money rex -> reserved=90 available=0
money ann -> reserved=150
move rex 30
update s | k used=30 wanted=100 quote=retail up=dealer -> done | k granted=10 settled=150 final=yes
close s | k used=10 -> done
move rex 3000
open s2 | k wanted=1000 quote=retail up=dealer -> done | k granted=160 final=yes
money ann -> available=0

story an empty wallet in the middle refuses, and says whose it is
quote retail steps=-:1:5
account top money=1000
account mid parent=top billing=resold
account ann money=1000 parent=mid billing=resold
open s empty=refuse | k wanted=100 quote=retail -> refused short=mid | k granted=0 refused=insufficient-credit
money ann -> reserved=0 debited=0
money top -> reserved=0 debited=0
session s -> state=closed
event e | k wanted=1 quote=retail -> refused short=mid | k refused=insufficient-credit
move mid 100
status mid suspended
open s2 empty=refuse | k wanted=100 quote=retail -> refused short=mid | k refused=suspended
status mid active
open s3 empty=refuse | k wanted=100 quote=retail -> done | k granted=20

story one's own empty wallet is nobody else's matter
quote retail steps=-:1:5
account top money=1000
account ann parent=top billing=resold
open s empty=refuse | k wanted=100 quote=retail -> refused short=none | k refused=insufficient-credit
move ann 50
open s2 | k wanted=100 quote=retail -> done short=none | k granted=10

story old terms anywhere up the chain are stale
quote retail steps=-:1:5
account top money=1000
account ann money=1000 parent=top billing=resold
open s | k wanted=10 quote=retail -> done
status top suspended
update s | k used=10 wanted=10 quote=retail -> done short=top | k settled=50 refused=suspended
money top -> debited=50 reserved=0

story what was used beyond a grant is debited on every level
quote retail steps=-:1:5
account top money=100
account ann money=100 parent=top billing=resold
open s | k wanted=10 quote=retail -> done
close s | k used=30 quote=retail -> done
money ann -> debited=150 overrun=50
money top -> debited=150 overrun=50
margins top -> 0 0

story a session that lapses frees every level, and a late report reaches all
quote retail steps=-:1:5
quote dealer steps=-:1:3
account top money=1000
account ann money=1000 parent=top billing=resold
open s lapse=charge | k wanted=10 quote=retail up=dealer -> done
now 2000
expire -> s
money ann -> debited=50 reserved=0
money top -> debited=30 reserved=0
close s | k used=4 quote=retail up=dealer -> lapsed-session
money ann -> debited=70 credited=1050
money top -> debited=42 credited=1030
open t | k wanted=10 quote=retail up=dealer -> done
now 4000
expire -> t
money ann -> reserved=0
money top -> reserved=0
margins top -> 0 20 -12 0 0

story splitting a session changes nobody's price
quote retail setup=7 steps=60:60:100,-:10:9
quote dealer setup=3 steps=-:30:11
account top money=100000
account ann money=100000 parent=top billing=resold
open s | k wanted=90 quote=retail up=dealer -> done
update s | k used=25 wanted=90 quote=retail up=dealer -> done
update s | k used=36 wanted=90 quote=retail up=dealer -> done
close s | k used=40 -> done spent=152
money top -> debited=47
event e | k wanted=101 quote=retail up=dealer -> done | k cost=152
money top -> debited=94

story an event is debited on all levels or on none, and given back to all
quote retail steps=-:1:5
quote dealer steps=-:1:3
account top money=30
account ann money=1000 parent=top billing=resold
event e1 | k wanted=10 quote=retail up=dealer -> done | k granted=10 cost=50
event e2 | k wanted=1 quote=retail up=dealer -> refused short=top | k refused=insufficient-credit
money ann -> debited=50
refund r1 o1 e1 units=4 -> found=yes amount=20 units=4
money top -> credited=42
money ann -> credited=1020
refund r2 o2 e1 -> found=yes amount=30 units=6
money top -> credited=60 debited=30
money ann -> credited=1050 debited=50
refund r3 o3 e1 -> found=yes amount=0 again=yes
margins top -> 20 -8 -12

story a member uses the wallet of its owner
quote free
quote plan steps=-:1:5
account owner money=100
account ann parent=owner billing=shared
account bob parent=owner billing=shared
open s | k wanted=10 quote=free up=plan -> done available=50 | k granted=10 cost=50 terms=plan
group -> 1:owner
open t account=bob | k wanted=100 quote=free up=plan -> done available=0 | k granted=10 cost=50 final=yes
open u account=bob empty=refuse | k wanted=1 quote=free up=plan -> refused short=owner | k refused=insufficient-credit
session s -> spent=0
update s | k used=10 wanted=0 quote=free up=plan -> done spent=50
session s -> spent=50
close t account=bob | k used=2 -> done spent=10
money owner -> debited=60 reserved=0
money ann -> debited=0 reserved=0
margins owner ->
status ann suspended
open v empty=refuse | k wanted=1 quote=free up=plan -> refused short=none | k refused=suspended

story a member's cap is a meter of the owner's
quote free
quote plan steps=-:1:5 meters=member/ann:9000:cap~30:warn~20
account owner money=100
account ann parent=owner billing=shared
open s | k wanted=10 quote=free up=plan -> done | k granted=6 cost=30 final=yes
update s | k used=6 wanted=10 quote=free up=plan -> done warned=member/ann short=owner | k refused=spending-limit
meter owner member/ann -> spent=30 reserved_money=0

story an owner may be a reseller's customer
quote free
quote plan steps=-:1:5
quote dealer steps=-:1:2
account rex money=100
account owner money=100 parent=rex billing=resold
account ann parent=owner billing=shared
open s | k wanted=10 quote=free up=plan,dealer -> done available=50 | k granted=10 cost=50
close s | k used=10 -> done spent=50
money rex -> debited=20
margins rex -> 0 30

story allowances and bonus money of each level pay for its own part
quote retail steps=-:1:5 offers=big
quote dealer steps=-:1:3 offers=pool,bonus
account top money=1000
account ann money=1000 parent=top billing=resold
give ann big octets 6
give top pool octets 8
give top bonus money 4
open s | k wanted=10 quote=retail up=dealer -> done | k granted=10 cost=20
money top -> reserved=2
bucket top pool#1 -> reserved=8
close s | k used=10 -> done spent=20
bucket top pool#1 -> debited=8 reserved=0
money top -> debited=2 reserved=0
margins top -> 0 18

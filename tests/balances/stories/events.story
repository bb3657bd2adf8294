story an event debits all or nothing
quote sms steps=-:1:9
account ann money=20
event e1 | a wanted=1 quote=sms | b wanted=1 quote=sms -> done spent=18 available=2 | a granted=1 cost=9 | b granted=1 cost=9
event e2 | a wanted=1 quote=sms -> refused spent=0 available=2 | a granted=0 cost=0 refused=insufficient-credit
money ann -> debited=18 reserved=0
entries ann -> topup event

story one use short refuses them all
quote sms steps=-:1:9 offers=pack
account ann money=10
give ann pack octets 1
event e | a wanted=1 quote=sms | b wanted=2 quote=sms -> refused available=10 | a granted=0 refused=insufficient-credit | b granted=0
bucket ann pack#1 -> reserved=0 debited=0
event e op=9 | a wanted=2 quote=sms -> done spent=9
event e op=9 | a wanted=2 quote=sms -> done replayed=yes
money ann -> debited=9

story a barred use refuses the event for its reason
quote sms steps=-:1:1
account ann money=10
event e | a wanted=1 quote=sms denied=barred | b wanted=1 quote=sms -> refused | a refused=barred | b refused=barred

story a refund goes back to where the money came from, once
quote sms steps=-:1:9 offers=pack
account ann money=100
give ann pack octets 1
event e | a wanted=2 quote=sms -> done spent=9
refund r 1 e -> found=yes amount=9 again=no replayed=no
refund r 1 e -> found=yes amount=9 again=no replayed=yes
refund r 2 e -> found=yes amount=0 again=yes
refund r 3 nothing -> found=no amount=0
money ann -> available=100 credited=109 debited=9
bucket ann pack#1 -> credited=2 debited=1
entries ann -> topup gift event refund

story a provisional debit that was refunded is not reversed as well
quote data steps=-:1:1
account ann money=100
open s deadline=1100 lapse=charge | k wanted=20 quote=data -> done
refund r 1 s -> found=no
now 1100
expire -> s
refund r 2 s -> found=yes amount=20
close s | k used=5 -> lapsed-session available=95

story a part is given back, money before the bucket, never more than was debited
quote sms steps=-:1:9 offers=pack
account ann money=100
give ann pack octets 1
event e | a wanted=3 quote=sms -> done spent=18
refund r 1 e units=4 -> found=no amount=0 units=0
refund r 2 e units=0 -> found=no amount=0 units=0
refund r 3 e units=1 -> found=yes amount=9 units=1 again=no
refund r 3 e units=1 -> found=yes amount=9 units=1 replayed=yes
money ann -> available=91
refund r 4 e units=3 -> found=no
refund r 5 e -> found=yes amount=9 units=2
bucket ann pack#1 -> credited=2 debited=1
refund r 6 e units=1 -> found=yes amount=0 units=0 again=yes
money ann -> available=100

story the last part of a refund brings what rounding left over
quote block steps=-:2:5
account ann money=100
event e | a wanted=3 quote=block -> done spent=10
refund r 1 e units=1 -> found=yes amount=3 units=1
refund r 2 e units=1 -> found=yes amount=3 units=1
refund r 3 e units=1 -> found=yes amount=4 units=1
money ann -> available=100

story a part of very much is counted exactly
quote big setup=7 steps=-:1:1000
account ann money=4000000000000000
event e | a wanted=3000000000001 quote=big -> done spent=3000000000001007
refund r 1 e units=1000000000000 -> found=yes amount=1000000000000002
refund r 2 e units=2000000000001 -> found=yes amount=2000000000001005
money ann -> available=4000000000000000

story a part of a session of one key is given back, of several keys only the whole
quote data steps=-:1:1
account ann money=100
open s | k wanted=20 quote=data -> done
close s | k used=20 -> done spent=20
refund r 1 s units=5 -> found=yes amount=5 units=5
open t | k wanted=20 quote=data | l wanted=10 quote=data -> done
close t | k used=20 | l used=10 -> done spent=30
refund r 2 t units=5 -> found=no amount=0
refund r 3 t units=30 -> found=yes amount=30
money ann -> available=85

story a provisional debit is given back whole or not at all
quote data steps=-:1:1
account ann money=100
open s deadline=1100 lapse=charge | k wanted=20 quote=data -> done
now 1100
expire -> s
refund r 1 s units=5 -> found=no
refund r 2 s units=20 -> found=yes amount=20

story what is debited after a refund can be refunded too, once
quote sms steps=-:1:9
account ann money=100
event e | a wanted=2 quote=sms -> done spent=18
refund e 1 e -> found=yes amount=18 units=2
event e | a wanted=1 quote=sms -> done spent=9
refund e 2 e units=3 -> found=no
refund e 3 e units=1 -> found=yes amount=9 units=1
refund e 4 e -> found=yes amount=0 again=yes
money ann -> available=100

story a bucket written off between a lapse and its report has paid what was reported, no more
quote data steps=-:1:1 offers=a
account ann money=100
open s deadline=1300 | k wanted=30 quote=data -> done | k cost=30
give ann a octets 60 expires_at=1200
update s deadline=1300 lapse=charge | k used=30 wanted=60 quote=data -> done spent=30 | k granted=60 cost=0
now 1300
expire -> s
now 70000
expire ->
bucket ann a#1 -> gone
close s | k used=10 -> lapsed-session spent=30
refund r 1 s units=10 -> found=yes amount=10 units=10
refund r 2 s units=30 -> found=yes amount=20 units=30
money ann -> available=100

story a provisional debit that an end without a report leaves as it is can be refunded in parts
quote data steps=-:1:1 offers=a
account ann money=100
give ann a octets 5
open s deadline=1100 lapse=charge | k wanted=20 quote=data -> done | k cost=15
now 1100
expire -> s
close s -> lapsed-session spent=15
refund r 1 s units=4 -> found=yes amount=4 units=4
refund r 2 s units=21 -> found=no
refund r 3 s units=16 -> found=yes amount=11 units=16
bucket ann a#1 -> credited=10 debited=5
money ann -> available=100

story allowances pay before money, and a request may be paid from both
quote data steps=-:1:2 offers=gig
account ann money=100
give ann gig octets 50
open s | k wanted=80 quote=data -> done available=40 | k granted=80 cost=60
bucket ann gig#1 -> reserved=50
close s | k used=60 -> done spent=20
bucket ann gig#1 -> debited=50 reserved=0
money ann -> debited=20 reserved=0

story buckets pay by priority, then by earlier expiry, then in the order given
quote data offers=a,b steps=-:1:1
account ann
give ann a octets 10 priority=5
give ann b octets 10 priority=5 expires_at=9000
give ann a octets 10 priority=1
open s | k wanted=15 quote=data -> done | k granted=15 cost=0 final=no
bucket ann a#3 -> reserved=10
bucket ann b#2 -> reserved=5
bucket ann a#1 -> reserved=0

story other offers and units and expired buckets do not pay
quote data offers=a steps=-:1:1
account ann
give ann b octets 10
give ann a seconds 10
give ann a octets 10 expires_at=500
open s | k wanted=5 quote=data -> done | k granted=0 refused=insufficient-credit

story usage beyond the grant empties allowances before it takes money
quote data offers=a steps=-:1:1
account ann money=5
give ann a octets 20
open s | k wanted=10 quote=data -> done | k cost=0
close s | k used=28 -> done spent=8 available=-3
money ann -> overrun=3
bucket ann a#1 -> debited=20 overrun=0

story what an expired bucket held is still paid by it, the rest is written off
quote data offers=a steps=-:1:1
account ann money=100
give ann a octets 20 expires_at=1050
open s deadline=99000 | k wanted=10 quote=data -> done | k cost=0
now 1060
expire ->
bucket ann a#1 -> reserved=10 debited=0
update s deadline=99000 | k used=10 wanted=10 quote=data -> done | k settled=0 cost=10
now 62000
expire ->
bucket ann a#1 -> gone
entries ann -> topup gift open update expired
close s -> done spent=0

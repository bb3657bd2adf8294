story the first use begins an account's life
quote data steps=-:1:2
account ann money=100 status=pre-active
life ann -> status=pre-active until=none version=1
open s activate=5000:9000 | k wanted=10 quote=data -> done | k granted=10 cost=20
life ann -> status=active until=5000 grace_until=9000 version=2
entries ann -> topup activation open
close s | k used=10 -> done
life ann -> version=2

story what is free begins nothing
quote free
quote bundle offers=big
quote data steps=-:1:2
account ann money=100 status=pre-active
open s activate=5000 | k wanted=10 quote=free -> done | k granted=10
update s activate=5000 | k used=10 quote=free -> done
event e activate=5000 | k wanted=1 quote=free -> done
life ann -> status=pre-active
update s activate=5000 | k wanted=60 least=60 quote=data -> done | k refused=insufficient-credit
life ann -> status=pre-active
give ann big octets 50
open t activate=5000 | k wanted=20 quote=bundle -> done | k granted=20
life ann -> status=active until=5000

story an event begins a life, a refused one does not
quote sms steps=-:1:9
account ann money=10 status=pre-active
event e activate=5000 | k wanted=2 quote=sms -> refused
open o activate=5000 empty=refuse | k wanted=2 least=2 quote=sms -> refused
life ann -> status=pre-active
event f activate=5000 | k wanted=1 quote=sms -> done
event f op=charge4 activate=5000 | k wanted=1 quote=sms -> done replayed=yes
event g version=1 activate=5000 | k wanted=1 quote=sms -> stale
life ann -> status=active until=5000
entries ann -> topup activation event

story where no use begins it, a pre-active account is granted only what is free
quote free
quote data steps=-:1:2
account ann money=100 status=pre-active
open s | k wanted=10 quote=data | f wanted=10 quote=free -> done | k granted=0 refused=pre-active | f granted=10
event e | k wanted=1 quote=data -> refused | k refused=pre-active
life ann -> status=pre-active version=1
money ann -> reserved=0

story a top-up begins a life, extends one, and ends a grace
account ann status=pre-active
credit ann t1 10 extends=2000:3000 version=1 -> repeated=no
life ann -> status=active until=2000 grace_until=3000 version=2
credit ann t2 10 extends=2500:3500 version=1 -> Stale
credit ann t2 10 extends=2500:3500 version=2 -> repeated=no
credit ann t2 10 extends=2600:3600 version=2 -> repeated=yes
life ann -> until=2500 grace_until=3500 version=3
now 2500
expire
life ann -> status=grace version=4
credit ann t3 1 -> repeated=no
life ann -> status=grace
credit ann t4 1 extends=4000 version=4 -> repeated=no
life ann -> status=active until=4000 grace_until=none
money ann -> credited=22
entries ann -> topup activation topup extension expiry topup topup extension

story a suspended account is extended and stays suspended
account ann until=2000 grace_until=3000
status ann suspended
credit ann t 10 extends=4000:5000 version=2 -> repeated=no
life ann -> status=suspended until=4000 version=3
now 4500
expire
life ann -> status=suspended
now 5000
expire
life ann -> status=closed
entries ann -> status topup extension closing

story validity runs out, then the grace, once each
account ann money=5 until=2000 grace_until=3000
now 1999
expire
life ann -> status=active
now 2000
expire
expire
life ann -> status=grace version=2
now 3000
expire
expire
life ann -> status=closed version=3
now 9000
expire
entries ann -> topup expiry closing
money ann -> available=5

story what nobody looked at in time moves on through both at once
account ann until=2000 grace_until=2000
account bob until=2000
now 8000
expire
life ann -> status=closed
life bob -> status=grace
entries ann -> expiry closing
entries bob -> expiry

story in grace what is free is granted and what is used is debited
quote free
quote data steps=-:1:2
quote bundle offers=big
account ann money=100 until=2000
give ann big octets 50
open s deadline=9000 | k wanted=10 quote=data | b wanted=10 quote=bundle -> done
now 2000
expire
update s deadline=9000 | k used=7 wanted=5 quote=data | b used=10 wanted=5 quote=bundle | f wanted=9 quote=free
    -> done | k granted=0 refused=grace settled=14 | b granted=0 refused=grace | f granted=9
update s deadline=9000 | k used=3 | b used=0 wanted=4 -> done | k settled=6 | b granted=0 refused=grace
status ann suspended
update s deadline=9000 | f used=9 wanted=9 quote=free -> done | f granted=0 refused=suspended
status ann closed
update s deadline=9000 | f wanted=9 quote=free -> done | f granted=0 refused=closed
money ann -> debited=20 reserved=0

story an operator opens, extends and closes
account ann
valid ann until=5000 grace_until=6000
life ann -> status=active until=5000 version=2
valid ann until=5000 grace_until=6000
status ann active
status ann closed
status ann active
entries ann -> extension status status
valid ann
life ann -> until=none grace_until=none
now 7000
expire
life ann -> status=active

story an operator's extension ends a grace, unless it is over already
account ann until=2000 grace_until=3000
now 2500
expire
valid ann until=2000 grace_until=4000
life ann -> status=grace until=2000 grace_until=4000
valid ann until=5000 grace_until=6000
life ann -> status=active until=5000
now 5000
expire
status ann suspended
valid ann
life ann -> status=suspended until=none
status ann grace
valid ann
life ann -> status=grace
valid ann until=9000
life ann -> status=active until=9000
entries ann -> expiry extension extension expiry status extension status extension

story a validity that was extended is not over when it would have been
account ann until=2000 grace_until=3000
valid ann until=4000
now 2500
expire
life ann -> status=active
now 4000
expire
life ann -> status=grace
now 9000
expire
life ann -> status=grace

story buckets and states have one date at which they are looked at
account ann until=5000
give ann big octets 50 expires_at=2000
now 2000
expire
bucket ann big#1 -> gone
life ann -> status=active
now 5000
expire
life ann -> status=grace
entries ann -> gift expired expiry

story whose wallet pays begins its life with the member's
quote data steps=-:1:2
quote none
account dad money=100 status=pre-active
account ann parent=dad billing=shared status=pre-active
open s activate=5000 | k wanted=10 quote=none up=data -> done | k granted=10
life ann -> status=active until=5000
life dad -> status=active until=5000
entries ann -> activation
entries dad -> topup activation open

story a reseller in grace refuses its customers
quote data steps=-:1:2
account shop money=100 until=2000
account ann parent=shop billing=resold money=50
now 2000
expire
open s | k wanted=10 quote=data -> done short=shop | k granted=0 refused=grace
money ann -> reserved=0

story no stretch of time ends before it begins
account ann
unsound until=5000 grace_until=4000
unsound until=-1
unsound grace_until=5
unsound until=253402300799001

story a renewal does not put off the end of the account's validity
account ann money=100 until=2000
subscribe ann k gig fee=10 amount=50 ends_at=9000 -> deducted=10
now 2000
expire
life ann -> status=grace
entries ann -> topup subscription expiry

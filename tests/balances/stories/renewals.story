story a subscription is paid for and given at once, and renewed when it is due
account ann money=100
subscribe ann k gig fee=30 amount=50 ends_at=2000 -> deducted=30 bucket=gig#1 repeated=no
money ann -> debited=30 available=70
bucket ann gig#1 -> credited=50
span ann gig#1 -> expires_at=86402000
subscription ann gig -> state=active since=1000 ends_at=2000 due_at=2000 bucket=gig#1 carried=none
renewals ->
now 2000
renewals -> ann:gig
renew ann gig 2000 fee=30 amount=50 ends_at=3000 -> renewed
bucket ann gig#1 -> gone
bucket ann gig#2 -> credited=50 debited=0
money ann -> debited=60
subscription ann gig -> starts_at=2000 due_at=3000 bucket=gig#2
renewals ->
entries ann -> topup subscription renewal

story whoever comes second renews nothing
account ann money=100
subscribe ann k gig fee=10 amount=50 ends_at=2000 -> deducted=10
now 2500
renew ann gig 2000 fee=10 amount=50 starts_at=2000 ends_at=3000 -> renewed
renew ann gig 2000 fee=10 amount=50 starts_at=2000 ends_at=3000 -> past
renew ann big 2000 fee=10 amount=50 ends_at=3000 -> past
money ann -> debited=20
entries ann -> topup subscription renewal

story it is subscribed to once, and ended once
account ann money=100
subscribe ann k gig fee=10 amount=50 ends_at=2000 -> repeated=no
subscribe ann k gig fee=10 amount=50 ends_at=2000 -> repeated=yes deducted=10
subscribe ann l gig fee=10 amount=50 ends_at=2000 -> Subscribed
subscribe ann k big fee=10 amount=50 ends_at=2000 -> OperationConflict
unsubscribe ann k gig -> OperationConflict
unsubscribe ann m gig -> repeated=no
unsubscribe ann m gig -> repeated=yes
unsubscribe ann n gig -> NotSubscribed
subscription ann gig -> none
span ann gig#1 -> expires_at=2000
money ann -> debited=10
now 2000
renewals ->
renew ann gig 2000 fee=10 amount=50 ends_at=3000 -> past
expire ->
bucket ann gig#1 -> gone
entries ann -> topup subscription unsubscribed expired
subscribe ann o gig fee=10 amount=50 ends_at=3000 -> bucket=gig#2

story what is left is carried over for one period, up to the most
quote data steps=-:1:1 offers=gig
account ann money=100
subscribe ann k gig fee=0 amount=50 ends_at=2000 -> deducted=0
event s | k wanted=20 quote=data -> done spent=0
now 2000
renew ann gig 2000 fee=0 amount=50 ends_at=3000 carry=25 -> renewed
bucket ann gig#1 -> gone
bucket ann gig#2 -> credited=25
bucket ann gig#3 -> credited=50
subscription ann gig -> bucket=gig#3 carried=gig#2
event t | k wanted=35 quote=data -> done spent=0
bucket ann gig#2 -> debited=25               # what was carried over pays first
bucket ann gig#3 -> debited=10
now 3000
renew ann gig 3000 fee=0 amount=50 ends_at=4000 carry=100 -> renewed
bucket ann gig#4 -> credited=40
bucket ann gig#5 -> credited=50
now 4000
renew ann gig 4000 fee=0 amount=50 ends_at=5000 carry=100 -> renewed
bucket ann gig#6 -> credited=50               # not what had been carried over before
bucket ann gig#4 -> gone
entries ann -> topup subscription event rollover renewal event rollover renewal rollover renewal

story without the money nothing is given, and it is tried again
account ann money=10
subscribe ann k gig fee=10 amount=50 ends_at=2000 -> deducted=10
now 2000
renew ann gig 2000 fee=10 amount=50 ends_at=3000 carry=50 -> unpaid
span ann gig#1 -> expires_at=2000
subscription ann gig -> state=waiting due_at=2010 ends_at=2000
money ann -> debited=10
now 2010
renewals -> ann:gig
renew ann gig 2010 fee=10 amount=50 ends_at=3010 carry=50 -> unpaid
entries ann -> topup subscription renewal-failed
move ann 15
now 2020
renew ann gig 2020 fee=10 amount=50 ends_at=3020 carry=50 -> renewed
subscription ann gig -> state=active since=2020 due_at=3020 bucket=gig#2 carried=none
money ann -> debited=20 available=5
entries ann -> topup subscription renewal-failed topup renewal

story without the money it may end
account ann money=10
subscribe ann k gig fee=10 amount=50 ends_at=2000 -> deducted=10
now 2000
renew ann gig 2000 fee=10 amount=50 ends_at=3000 stop -> ended
subscription ann gig -> none
renewals ->
entries ann -> topup subscription subscription-ended
expire ->
bucket ann gig#1 -> gone

story a credit limit and only what is not reserved pay the fee
quote sms steps=-:1:1
account ann money=20 limit=5
open s | k wanted=10 quote=sms -> done
subscribe ann k gig fee=16 amount=50 ends_at=2000 -> InsufficientFunds
subscribe ann k gig fee=15 amount=50 ends_at=2000 -> deducted=15
money ann -> available=0
now 2000
renew ann gig 2000 fee=1 amount=50 ends_at=3000 -> unpaid

story who is suspended or an offer that is withdrawn waits, and a closed account's subscription ends
account ann money=100
subscribe ann k gig fee=10 amount=50 ends_at=2000 -> deducted=10
now 2000
status ann suspended
renew ann gig 2000 fee=10 amount=50 ends_at=3000 stop -> paused
subscription ann gig -> state=waiting due_at=2020
status ann active
now 2020
renew ann gig 2020 withdrawn stop -> paused
subscription ann gig -> state=waiting due_at=2040
now 2040
renew ann gig 2040 fee=10 amount=50 ends_at=3000 -> renewed
status ann closed
now 3000
renew ann gig 3000 fee=10 amount=50 ends_at=4000 -> ended
money ann -> debited=20
entries ann -> topup subscription status renewal-failed status renewal status subscription-ended

story what a session holds of the last period still pays, and is not carried over
quote data steps=-:1:1 offers=gig
account ann money=100
subscribe ann k gig fee=0 amount=50 ends_at=2000 -> deducted=0
open s deadline=99000 | k wanted=20 quote=data -> done
now 2000
renew ann gig 2000 fee=0 amount=50 ends_at=3000 carry=50 -> renewed
bucket ann gig#1 -> reserved=20 debited=30
bucket ann gig#2 -> credited=30
update s deadline=99000 | k used=15 wanted=10 quote=data -> done | k settled=0 cost=0
bucket ann gig#1 -> debited=45 reserved=0
bucket ann gig#2 -> reserved=10
now 62000
expire ->
bucket ann gig#1 -> gone

story a renewal that comes more than a day late carries nothing over
account ann money=100
subscribe ann k gig fee=0 amount=50 ends_at=2000 -> deducted=0
now 86402000
renew ann gig 2000 fee=0 amount=50 ends_at=90000000 carry=50 -> renewed
bucket ann gig#2 -> credited=50
entries ann -> topup subscription renewal

story nothing that cannot be counted
account ann money=100
subscribe ann k gig fee=-1 amount=50 ends_at=2000 -> OutOfRange
subscribe ann k gig fee=0 amount=0 ends_at=2000 -> OutOfRange
subscribe ann k gig fee=9007199254740992 amount=50 ends_at=2000 -> OutOfRange
subscribe ann k gig fee=0 amount=9007199254740992 ends_at=2000 -> OutOfRange
subscribe ann k gig fee=0 amount=50 carry=-1 ends_at=2000 -> OutOfRange
subscribe ann k gig fee=0 amount=50 ends_at=1000 -> OutOfRange
subscription ann gig -> none
subscribe ann k gig fee=0 amount=50 ends_at=2000 -> deducted=0
now 2000
renew ann gig 2000 fee=0 amount=0 ends_at=3000 -> paused
entries ann -> topup subscription renewal-failed

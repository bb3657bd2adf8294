story a meter counts what is used, whoever pays, and what is held beside it
quote data steps=-:1:2 offers=gig meters=month:5000:octets~1
account ann money=100
give ann gig octets 50
open s | k wanted=80 quote=data -> done | k granted=80 cost=60
meter ann month -> used=0 spent=0 reserved=80 reserved_money=60 ends_at=5000
update s | k used=60 wanted=10 quote=data -> done spent=20 | k granted=10 cost=20
meter ann month -> used=60 spent=20 reserved=10 reserved_money=20
close s | k used=15 -> done spent=50
meter ann month -> used=75 spent=50 reserved=0 reserved_money=0

story what is free is counted too
quote chat meters=month:5000:octets~1
account ann
open s | k wanted=80 quote=chat -> done | k granted=80 cost=0
meter ann month -> used=0 reserved=80 reserved_money=0
close s | k used=30 -> done
meter ann month -> used=30 spent=0 reserved=0

story a meter begins again when a request of the next period comes; what is reported then counts there
quote march steps=-:1:1 meters=month:2000:octets~1
quote april steps=-:1:1 meters=month:3000:octets~1
account ann money=1000
open s | k wanted=100 quote=march -> done
update s | k used=40 wanted=100 quote=march -> done
meter ann month -> used=40 spent=40 reserved=100 ends_at=2000
now 2001
update s | k used=60 wanted=100 quote=april -> done
meter ann month -> used=60 spent=60 reserved=100 reserved_money=100 ends_at=3000
update s | k used=5 wanted=0 -> done                           # an old quote does not turn a meter back
meter ann month -> used=65 spent=65 reserved=0 ends_at=3000
open t | k used=7 wanted=0 quote=march -> done
meter ann month -> used=72 ends_at=3000

story steps along a meter go on from session to session
quote data steps=100:1:3,-:1:1 meters=month:5000:octets~1:axis~1
account ann money=1000
open s | k wanted=60 quote=data -> done | k granted=60 cost=180
close s | k used=60 -> done spent=180
open t | k wanted=60 quote=data -> done | k granted=60 cost=140       # 40 at 3, 20 at 1
close t | k used=60 -> done spent=140
event u | k wanted=10 quote=data -> done | k granted=10 cost=10

story the price begins again with the period
quote march steps=10:1:3,-:1:1 meters=month:2000:octets~1:axis~1
quote april steps=10:1:3,-:1:1 meters=month:3000:octets~1:axis~1
account ann money=1000
open s | k wanted=20 quote=march -> done | k cost=40
update s | k used=20 wanted=20 quote=march -> done spent=40 | k settled=40 cost=20
now 2001
update s | k used=12 wanted=4 quote=april -> done spent=72 | k settled=32 cost=4

story two sessions share the axis of a meter; all of it costs what one would have paid
quote data steps=100:1:3,-:1:1 meters=month:5000:octets~1:axis~1
account ann money=1000
open s | k wanted=80 quote=data -> done | k cost=240
open t | k wanted=80 quote=data -> done | k granted=80 cost=240     # s may use nothing: enough for the dearer end
close t | k used=80 -> done spent=240
close s | k used=80 -> done spent=120                               # 20 at 3, 60 at 1
money ann -> debited=360 reserved=0 overrun=0

story where the price rises, a reservation takes its place behind the others
quote data steps=100:1:1,-:1:5 meters=month:5000:octets~1:axis~1
account ann money=1000
open s | k wanted=80 quote=data -> done | k cost=80
open t | k wanted=40 quote=data -> done | k granted=40 cost=120     # 20 at 1, 20 at 5
close s | k used=10 -> done spent=10
close t | k used=40 -> done spent=40
money ann -> debited=50 reserved=0 overrun=0

story allowances go before on the axis of a meter
quote data steps=100:1:3,-:1:1 offers=gig meters=month:5000:octets~1:axis~1
account ann money=1000
give ann gig octets 90
open s | k wanted=120 quote=data -> done | k granted=120 cost=50      # 10 at 3, 20 at 1
close s | k used=120 -> done spent=50
meter ann month -> used=120 spent=50

story a cap holds over parallel sessions, and says so
quote roam steps=-:1:1 meters=roaming:5000:cap~50:warn~40
account ann money=1000
open s | k wanted=30 quote=roam -> done | k granted=30 final=no
open t | k wanted=30 quote=roam -> done | k granted=20 final=yes
open u | k wanted=30 quote=roam -> done | k granted=0 refused=spending-limit
close s | k used=30 -> done spent=30 warned=
update u | k wanted=30 quote=roam -> done | k refused=spending-limit
update t | k used=12 wanted=30 quote=roam -> done warned=roaming | k granted=8 final=yes
close t | k used=8 -> done warned=
meter ann roaming -> spent=50 reserved_money=0
event e | k wanted=1 quote=roam -> refused | k refused=spending-limit

story who has no credit is told of that before any limit
quote roam steps=-:1:1 meters=roaming:5000:cap~50
account ann
open s | k wanted=30 quote=roam -> done | k granted=0 refused=insufficient-credit

story what is free is granted at the cap all the same
quote roam steps=-:1:1 meters=roaming:5000:cap~10
quote chat meters=roaming:5000:cap~10
account ann money=100
event e | k wanted=10 quote=roam -> done
open s | k wanted=30 quote=chat -> done | k granted=30 final=no

story usage beyond a grant is counted, beyond the cap too
quote roam steps=-:1:1 meters=roaming:5000:cap~10:warn~8
account ann money=100
open s | k wanted=10 quote=roam -> done | k granted=10 final=yes
close s | k used=25 -> done spent=25 warned=roaming
meter ann roaming -> spent=25 reserved_money=0

story a limit in units stops whatever pays
quote data steps=-:1:1 offers=gig meters=month:5000:octets~1:limit~70
account ann money=100
give ann gig octets 50
open s | k wanted=60 quote=data -> done | k granted=60 cost=10
open t | k wanted=60 quote=data -> done | k granted=10 final=yes
close s | k used=60 -> done
close t | k used=10 -> done
open u | k wanted=60 quote=data -> done | k refused=spending-limit

story consent lifts a cap until the period ends, once, and stands in the ledger
quote march steps=-:1:1 meters=roaming:2000:cap~10
quote april steps=-:1:1 meters=roaming:3000:cap~10
account ann money=100
event e | k wanted=10 quote=march -> done
event f | k wanted=10 quote=march -> refused | k refused=spending-limit
lift ann consent roaming 2000 -> repeated=no
lift ann consent roaming 2000 -> repeated=yes
event g | k wanted=10 quote=march -> done
meter ann roaming -> spent=20 lifted=yes
now 2001
event h | k wanted=11 quote=april -> refused | k refused=spending-limit
meter ann roaming -> spent=0 lifted=no
entries ann -> topup event limit-lifted event

story a session that lapses gives back what it held of a meter
quote data steps=-:1:1 meters=month:5000:octets~1:cap~50
account ann money=100
open s deadline=1100 | k wanted=50 quote=data -> done | k granted=50
now 1200
expire -> s
meter ann month -> used=0 spent=0 reserved=0 reserved_money=0

story a session that is charged when it lapses counts, until its report comes after all
quote data steps=-:1:1 meters=month:5000:octets~1:cap~50
account ann money=100
open s deadline=1100 lapse=charge | k wanted=50 quote=data -> done | k granted=50
now 1200
expire -> s
meter ann month -> used=50 spent=50 reserved=0 reserved_money=0
close s | k used=20 -> lapsed-session spent=20
meter ann month -> used=20 spent=20 reserved=0 reserved_money=0

story a repeat moves no meter
quote data steps=-:1:1 meters=month:5000:octets~1:warn~10
account ann money=100
open s op=1 | k wanted=50 quote=data -> done
update s op=2 | k used=20 wanted=10 quote=data -> done warned=month
update s op=2 | k used=20 wanted=10 quote=data -> done replayed=yes warned=month
meter ann month -> used=20 spent=20 reserved=10

story at a limit where the terms change a grant ends; the next ones are on the other terms, at the same price
quote data steps=-:1:1 meters=month:5000:octets~1:limit~100:beyond~slow
account ann money=1000
open s | k wanted=80 quote=data -> done | k granted=80 final=no terms=data
update s | k used=80 wanted=80 quote=data -> done | k granted=20 cost=20 final=no terms=data
update s | k used=20 wanted=80 quote=data -> done | k granted=80 cost=80 final=no terms=slow
close s | k used=80 -> done spent=180
meter ann month -> used=180 spent=180 reserved=0

story what others hold is on the way to the limit; what they give back is not
quote data offers=gig meters=month:5000:octets~1:limit~100:beyond~slow
account ann
open s | k wanted=70 quote=data -> done | k granted=70 terms=data
open t | k wanted=70 quote=data -> done | k granted=30 final=no terms=data
open u | k wanted=70 quote=data -> done | k granted=70 final=no terms=slow
close s | k used=10 -> done
update u | k used=70 wanted=70 quote=data -> done | k granted=70 terms=slow    # 10 + 30 + 70
update t | k used=0 wanted=0 quote=data -> done
update u | k used=0 wanted=70 quote=data -> done | k granted=20 terms=data

story a rest that is not worth a grant counts as nothing left
quote data meters=month:5000:octets~1:limit~100:beyond~slow
account ann
open s | k wanted=95 quote=data -> done | k granted=95
update s | k used=95 wanted=50 least=6 quote=data -> done | k granted=50 terms=slow
update s | k used=0 wanted=50 least=5 quote=data -> done | k granted=5 terms=data

story a report beyond the grant that ends at the limit is counted, and the next grant is on the other terms
quote data meters=month:5000:octets~1:limit~100:beyond~slow
account ann
open s | k wanted=100 quote=data -> done | k granted=100 terms=data
update s | k used=130 wanted=50 quote=data -> done | k granted=50 terms=slow
meter ann month -> used=130 reserved=50

story steps of fair use: the last limit that is reached says the terms
quote data meters=soft:5000:octets~1:limit~100:beyond~slow,hard:5000:octets~1:limit~150:beyond~crawling
account ann
open s | k wanted=200 quote=data -> done | k granted=100 terms=data
update s | k used=100 wanted=200 quote=data -> done | k granted=50 terms=slow
update s | k used=50 wanted=200 quote=data -> done | k granted=200 terms=crawling

story a limit that stops holds beyond one that changes the terms
quote data meters=soft:5000:octets~1:limit~100:beyond~slow,hard:5000:octets~1:limit~150
account ann
open s | k wanted=200 quote=data -> done | k granted=100 final=no terms=data
update s | k used=100 wanted=200 quote=data -> done | k granted=50 final=yes terms=slow
update s | k used=50 wanted=200 quote=data -> done | k granted=0 refused=spending-limit

story the terms of a limit go before those of a used-up bundle
quote fast
quote data offers=gig overage=gig:fast meters=month:5000:octets~1:limit~100:beyond~slow
account ann
give ann gig octets 80
open s | k wanted=200 quote=data -> done | k granted=80 terms=data
update s | k used=80 wanted=200 quote=data -> done | k granted=20 terms=fast
update s | k used=20 wanted=200 quote=data -> done | k granted=200 terms=slow

story the next period is at full speed, and so is who consented
quote march meters=roaming:2000:octets~1:limit~100:beyond~slow
quote april meters=roaming:3000:octets~1:limit~100:beyond~slow
account ann
open s | k wanted=0 used=100 quote=march -> done
update s | k wanted=50 quote=march -> done | k granted=50 terms=slow
lift ann consent roaming 2000 -> repeated=no
update s | k wanted=50 quote=march -> done | k granted=50 terms=march
now 2001
update s | k used=0 wanted=150 quote=april -> done | k granted=100 terms=april
update s | k used=100 wanted=150 quote=april -> done | k granted=150 terms=slow

story the uses of one event follow one another on the axis of a meter
quote sms steps=3:1:9,-:1:1 meters=month:5000:octets~1:axis~1
account ann money=1000
open s | k wanted=20 quote=sms -> done
event e | a wanted=2 quote=sms | b wanted=2 quote=sms -> done spent=28 | a cost=18 | b cost=10
meter ann month -> used=4 spent=28 reserved=20

story a late report takes nothing out of the next period for what was charged in the one before
quote march steps=-:1:1 meters=month:2000:octets~1
quote april steps=-:1:1 meters=month:3000:octets~1
account ann money=1000
open s deadline=1900 lapse=charge | k wanted=100 quote=march -> done
now 1950
expire -> s
meter ann month -> used=100 spent=100
now 2001
event e | k wanted=20 quote=april -> done
meter ann month -> used=20 spent=20 ends_at=3000
close s | k used=50 -> lapsed-session spent=50
meter ann month -> used=70 spent=70 reserved=0 reserved_money=0

story what lapses in the next period counts in neither until it is reported
quote march steps=-:1:1 meters=month:2000:octets~1
quote april steps=-:1:1 meters=month:3000:octets~1
account ann money=1000
open s deadline=2100 lapse=charge | k wanted=100 quote=march -> done
now 2001
event e | k wanted=20 quote=april -> done
now 2100
expire -> s
meter ann month -> used=20 spent=20 reserved=0 reserved_money=0
close s | k used=50 -> lapsed-session spent=50
meter ann month -> used=70 spent=70 reserved=0 reserved_money=0

story a repeat gets the answer it got and nothing happens twice
quote data steps=-:1:1
account ann money=100
open s op=0 | k wanted=10 quote=data -> done replayed=no available=90
open s op=0 | k wanted=10 quote=data -> done replayed=yes conflict=no available=90 | k granted=10
update s op=1 | k used=10 wanted=10 quote=data -> done spent=10
open s op=0 print=7 | k wanted=99 quote=data -> done replayed=yes conflict=yes available=90
close s op=2 | k used=5 -> done spent=15
close s op=2 | k used=5 -> done spent=15 replayed=yes
update s op=1 | k used=10 wanted=10 -> done replayed=yes spent=10
money ann -> debited=15 reserved=0

story the opening's answer is kept with the others
quote data steps=-:1:1
account ann money=100
open s op=first | k wanted=1 quote=data -> done
update s op=second -> done
update s -> done
update s op=last -> done
open s op=first -> done replayed=yes
update s op=last -> done replayed=yes
update s op=second -> done replayed=yes

story a refused opening is no session, and says so again
quote data steps=-:1:1
account ann
open s op=0 empty=refuse | k wanted=10 quote=data -> refused | k granted=0 refused=insufficient-credit
session s -> state=closed
open s op=0 empty=refuse | k wanted=10 quote=data -> refused replayed=yes
move ann 10
open s op=1 empty=refuse | k wanted=10 quote=data -> done | k granted=10

story an opening overtaken by its close opens nothing, once
quote data steps=-:1:1
account ann money=10
close s op=1 | k used=0 -> unknown-session
open s op=0 | k wanted=10 quote=data -> closed-session available=10
open s op=2 | k wanted=10 quote=data -> done available=0

story after the end nothing happens
quote data steps=-:1:1
account ann money=10
update s | k used=1 quote=data -> unknown-session
session s -> none
open s | k wanted=5 quote=data -> done
close s -> done
update s | k used=5 wanted=5 quote=data -> closed-session available=10
close s | k used=5 -> closed-session
money ann -> debited=0

story old terms and other people's sessions
quote data steps=-:1:1
account ann money=10
account bob money=10
open s version=0 | k wanted=5 quote=data -> stale available=10
session s -> none
open s | k wanted=5 quote=data -> done
update s version=7 | k used=5 -> stale
money ann -> debited=0 reserved=5

story out of range changes nothing
quote dear steps=-:1:9007199254740990
quote data steps=-:1:1
account ann money=10
open s | k wanted=10 quote=data -> done
update s | k used=9007199254740992 -> out-of-range available=0
update s | k used=-1 -> out-of-range
open t | k wanted=10 quote=dear -> done | k granted=0 refused=insufficient-credit
update t | k used=2 -> out-of-range
money ann -> debited=0 reserved=10

story what is sent is in transit until it has been credited
account ann money=100
account bob
send ann k bob 30 fee=2 -> repeated=no deducted=2
money ann -> debited=32 available=68
money bob -> available=0
transit -> ann:bob:30
carry k
money bob -> credited=30 available=30
transit ->
entries ann -> topup transfer-out transfer-fee
entries bob -> transfer-in

story it is sent once and credited once
account ann money=100
account bob
send ann k bob 30 -> repeated=no
send ann k bob 30 -> repeated=yes
carry k
carry k
send ann k bob 30 -> repeated=yes
send ann k bob 31 -> OperationConflict
send ann k ann 30 -> OperationConflict
transit ->
money ann -> debited=30
money bob -> credited=30

story what is reserved, or a credit limit, is not to be given away
quote data steps=-:1:1
account ann money=100 limit=50
account bob
open s | k wanted=40 quote=data -> done
send ann k bob 60 fee=1 -> InsufficientFunds
send ann k bob 59 fee=1 -> repeated=no
money ann -> reserved=40 available=50

story so many a day
account ann money=100
account bob
send ann a bob 1 day=monday daily=2 -> repeated=no
send ann b bob 1 day=monday daily=2 -> repeated=no
send ann b bob 1 day=monday daily=2 -> repeated=yes
send ann c bob 1 day=monday daily=2 -> TooMany
send ann c bob 1 day=tuesday daily=2 -> repeated=no
send ann d bob 1 day=tuesday daily=1 -> TooMany
send ann d bob 1 day=tuesday daily=0 -> TooMany
send ann d bob 1 day=tuesday -> repeated=no
transit -> ann:bob:1 ann:bob:1 ann:bob:1 ann:bob:1

story a loan is not given away, but repaid by what comes in
account ann money=100
account bob money=5
lend ann l 50 -> repeated=no
send ann k bob 30 -> LoanOutstanding
send bob k ann 5 -> repeated=no
carry k
loan ann -> outstanding=45
money ann -> credited=155 debited=5

story nothing that is no amount is sent
account ann money=100
account bob
send ann k bob 0 -> OutOfRange
send ann k bob -5 -> OutOfRange
send ann k bob 10 fee=-1 -> OutOfRange
send ann k bob 9007199254740992 -> OutOfRange
send ann k bob 9007199254740991 fee=1 -> OutOfRange
send ann k bob 101 -> InsufficientFunds
transit ->
entries ann -> topup

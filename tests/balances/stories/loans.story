story a loan is repaid with its fee by what is put in next
account ann money=3
lend ann l 100 fee=10 below=50 -> repeated=no
money ann -> credited=103 debited=0 available=103
loan ann -> amount=100 fee=10 outstanding=110
credit ann t1 30 -> deducted=30
money ann -> credited=133 debited=30 available=103
loan ann -> outstanding=80
credit ann t2 200 -> deducted=80
loan ann -> none
money ann -> credited=333 debited=110 available=223
entries ann -> topup loan topup repayment topup repayment
credit ann t3 5 -> deducted=0

story a loan is taken once
account ann money=3
lend ann l 100 fee=10 below=50 -> repeated=no
lend ann l 100 fee=10 below=50 -> repeated=yes
lend ann m 100 fee=10 -> LoanOutstanding
money ann -> credited=103
entries ann -> topup loan

story a repeated credit repays nothing twice
account ann
lend ann l 100 -> repeated=no
credit ann t 60 -> deducted=60 repeated=no
credit ann t 60 -> deducted=60 repeated=yes
loan ann -> outstanding=40
credit ann t 61 -> OperationConflict
credit ann l 60 -> OperationConflict
money ann -> credited=160 debited=60

story nothing is lent to who has enough, nor what cannot be counted
account ann money=50
lend ann l 100 below=50 -> NotNeeded
lend ann l 0 -> OutOfRange
lend ann l 9007199254740992 -> OutOfRange
lend ann l 100 fee=9007199254740992 -> OutOfRange
lend ann l 100 fee=-1 -> OutOfRange
lend ann l 9007199254740950 -> OutOfRange
credit ann t 0 -> OutOfRange
credit ann t -5 -> OutOfRange
credit ann t 9007199254740990 -> OutOfRange
loan ann -> none
lend ann l 100 below=51 -> repeated=no
loan ann -> outstanding=100
entries ann -> topup loan

story a correction repays nothing
account ann
lend ann l 100 -> repeated=no
move ann 70
loan ann -> outstanding=100
money ann -> credited=170 debited=0

story what a session has reserved makes a loan needed
quote data steps=-:1:1
account ann money=60
open s | k wanted=50 quote=data -> done
lend ann l 30 below=20 -> repeated=no
money ann -> available=40

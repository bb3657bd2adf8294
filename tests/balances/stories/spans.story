story a bucket pays nothing before it starts
quote data steps=-:1:1 offers=gig
account ann money=100
give ann gig octets 50 starts_at=2000
open s | k wanted=10 quote=data -> done | k granted=10 cost=10
now 2000
update s | k wanted=10 quote=data -> done | k granted=10 cost=0

story the clock of a bucket starts with its first reservation
quote data steps=-:1:1 offers=gig
account ann money=100
give ann gig octets 50 lasts=500
now 90000
span ann gig#1 -> lasts=500 expires_at=none
open s | k wanted=10 quote=data -> done | k cost=0 ends_in=500
span ann gig#1 -> lasts=none expires_at=90500
now 90400
update s | k used=10 wanted=10 quote=data -> done | k cost=0 ends_in=100
now 90500
update s | k used=10 wanted=10 quote=data -> done | k cost=10 ends_in=none
expire ->
bucket ann gig#1 -> gone
entries ann -> topup gift open update update expired

story a first use that is only reported starts the clock too
quote data steps=-:1:1 offers=gig
account ann
give ann gig octets 50 lasts=500
open s | k used=10 quote=data -> done
span ann gig#1 -> expires_at=1500

story a refused request starts no clock
quote sms steps=-:1:9 offers=gig
account ann
give ann gig octets 5 lasts=500
event s | a wanted=5 quote=sms | b wanted=1 quote=sms -> refused
span ann gig#1 -> lasts=500 expires_at=none
open s empty=refuse | a wanted=10 least=6 quote=sms -> refused
span ann gig#1 -> lasts=500 expires_at=none

story it ends on its last day though its clock would run on
quote data steps=-:1:1 offers=gig
account ann
give ann gig octets 50 lasts=500 expires_at=1200
open s | k wanted=10 quote=data -> done | k ends_in=200
span ann gig#1 -> lasts=none expires_at=1200

story a bucket in use pays before its equals that end later
quote data steps=-:1:1 offers=a,b
quote only steps=-:1:1 offers=b
account ann
give ann a octets 10
give ann b octets 10 lasts=500
open s | k wanted=5 quote=only -> done
open t | k wanted=5 quote=data -> done
bucket ann b#2 -> reserved=10
bucket ann a#1 -> reserved=0

story the first of the buckets that pay says when the grant ends
quote data steps=-:1:1 offers=a,b
account ann
give ann a octets 10 priority=1 expires_at=5000
give ann b octets 10 expires_at=3000
open s | k wanted=5 quote=data -> done | k ends_in=4000
open t | k wanted=8 quote=data -> done | k ends_in=2000

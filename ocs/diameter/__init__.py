"""Diameter without I/O: base protocol (RFC 6733), watchdog (RFC 3539), credit control (RFC 8506, TS 32.299).

Reading a CCR and building its CCA::

    from ocs.diameter import avps
    from ocs.diameter.answer import Answer
    from ocs.diameter.message import Message

    async def handle(request: Message, peer: PeerInfo) -> Answer:
        number = request.require(avps.CC_REQUEST_NUMBER)                      # int, or RemoteError 5005
        for subscription in request.all(avps.SUBSCRIPTION_ID):                # Groups
            kind, data = subscription.get(avps.SUBSCRIPTION_ID_TYPE), subscription.get(avps.SUBSCRIPTION_ID_DATA)
        grants = []
        for mscc in request.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
            rating_group = mscc.get(avps.RATING_GROUP)                        # int | None
            octets = [used.get(avps.CC_TOTAL_OCTETS) for used in mscc.all(avps.USED_SERVICE_UNIT)]
            wanted = mscc.get(avps.REQUESTED_SERVICE_UNIT)                    # Group | None; an empty one is a Group
            grants.append(avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode((
                avps.GRANTED_SERVICE_UNIT.encode((avps.CC_TOTAL_OCTETS.encode(10_000_000),)),
                *mscc.raw(avps.SERVICE_IDENTIFIER),                           # echoed as they came
                *mscc.raw(avps.RATING_GROUP),
                avps.VALIDITY_TIME.encode(3600),
                avps.RESULT_CODE.encode(ResultCode.SUCCESS),
            )))
        return Answer(avps=tuple(grants))

``ocs.server`` adds Session-Id, Result-Code, Origin-Host and -Realm, Auth-Application-Id, CC-Request-Type and -Number,
Failed-AVP and Proxy-Info, and answers a RemoteError raised by the handler with its code and Failed-AVP. An Answer is
independent of the request's identifiers, so the same one can be sent again for a repeat.
"""

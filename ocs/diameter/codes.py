"""The numbers of the protocol that code speaks of by name. Tests hold them against the dictionaries."""

from enum import IntEnum

BASE_APPLICATION = 0
CREDIT_CONTROL_APPLICATION = 4
SY_APPLICATION = 16777302
RELAY_APPLICATION = 0xFFFFFFFF
VENDOR_3GPP = 10415


class Flag(IntEnum):
    """Command flags (RFC 6733 section 3). Plain numbers: combining members of an ``IntFlag`` costs a microsecond."""

    REQUEST = 0x80
    PROXIABLE = 0x40
    ERROR = 0x20
    RETRANSMITTED = 0x10


class Command(IntEnum):
    """Command codes (RFC 6733 section 3.1, RFC 8506 section 3, TS 29.219 clause 5.6)."""

    CAPABILITIES_EXCHANGE = 257
    RE_AUTH = 258
    CREDIT_CONTROL = 272
    ABORT_SESSION = 274
    SESSION_TERMINATION = 275
    DEVICE_WATCHDOG = 280
    DISCONNECT_PEER = 282
    SPENDING_LIMIT = 8388635
    SPENDING_STATUS_NOTIFICATION = 8388636


class ResultCode(IntEnum):
    """Result-Code values (RFC 6733 section 7.1, RFC 8506 section 9)."""

    SUCCESS = 2001
    LIMITED_SUCCESS = 2002
    COMMAND_UNSUPPORTED = 3001
    UNABLE_TO_DELIVER = 3002
    REALM_NOT_SERVED = 3003
    TOO_BUSY = 3004
    LOOP_DETECTED = 3005
    REDIRECT_INDICATION = 3006
    APPLICATION_UNSUPPORTED = 3007
    INVALID_HDR_BITS = 3008
    INVALID_AVP_BITS = 3009
    UNKNOWN_PEER = 3010
    ELECTION_LOST = 4003
    END_USER_SERVICE_DENIED = 4010
    CREDIT_CONTROL_NOT_APPLICABLE = 4011
    CREDIT_LIMIT_REACHED = 4012
    AVP_UNSUPPORTED = 5001
    UNKNOWN_SESSION_ID = 5002
    AUTHORIZATION_REJECTED = 5003
    INVALID_AVP_VALUE = 5004
    MISSING_AVP = 5005
    RESOURCES_EXCEEDED = 5006
    CONTRADICTING_AVPS = 5007
    AVP_NOT_ALLOWED = 5008
    AVP_OCCURS_TOO_MANY_TIMES = 5009
    NO_COMMON_APPLICATION = 5010
    UNSUPPORTED_VERSION = 5011
    UNABLE_TO_COMPLY = 5012
    INVALID_BIT_IN_HEADER = 5013
    INVALID_AVP_LENGTH = 5014
    INVALID_MESSAGE_LENGTH = 5015
    INVALID_AVP_BIT_COMBO = 5016
    NO_COMMON_SECURITY = 5017
    USER_UNKNOWN = 5030
    RATING_FAILED = 5031


class DisconnectCause(IntEnum):
    REBOOTING = 0
    BUSY = 1
    DO_NOT_WANT_TO_TALK_TO_YOU = 2


class CCRequestType(IntEnum):
    INITIAL_REQUEST = 1
    UPDATE_REQUEST = 2
    TERMINATION_REQUEST = 3
    EVENT_REQUEST = 4


class RequestedAction(IntEnum):
    DIRECT_DEBITING = 0
    REFUND_ACCOUNT = 1
    CHECK_BALANCE = 2
    PRICE_ENQUIRY = 3


class SubscriptionIdType(IntEnum):
    END_USER_E164 = 0
    END_USER_IMSI = 1
    END_USER_SIP_URI = 2
    END_USER_NAI = 3
    END_USER_PRIVATE = 4


class FinalUnitAction(IntEnum):
    TERMINATE = 0
    REDIRECT = 1
    RESTRICT_ACCESS = 2


class RedirectAddressType(IntEnum):
    IPV4_ADDRESS = 0
    IPV6_ADDRESS = 1
    URL = 2
    SIP_URI = 3


class CheckBalanceResult(IntEnum):
    ENOUGH_CREDIT = 0
    NO_CREDIT = 1


class ReportingReason(IntEnum):
    THRESHOLD = 0
    QHT = 1
    FINAL = 2
    QUOTA_EXHAUSTED = 3
    VALIDITY_TIME = 4
    OTHER_QUOTA_TYPE = 5
    RATING_CONDITION_CHANGE = 6
    FORCED_REAUTHORISATION = 7
    POOL_EXHAUSTED = 8
    UNUSED_QUOTA_TIMER = 9


class TariffChangeUsage(IntEnum):
    UNIT_BEFORE_TARIFF_CHANGE = 0
    UNIT_AFTER_TARIFF_CHANGE = 1
    UNIT_INDETERMINATE = 2


class RoleOfNode(IntEnum):
    ORIGINATING_ROLE = 0
    TERMINATING_ROLE = 1
    FORWARDING_ROLE = 2


class ReAuthRequestType(IntEnum):
    AUTHORIZE_ONLY = 0
    AUTHORIZE_AUTHENTICATE = 1


class CreditControlFailureHandling(IntEnum):
    TERMINATE = 0
    CONTINUE = 1
    RETRY_AND_TERMINATE = 2


class CCSessionFailover(IntEnum):
    FAILOVER_NOT_SUPPORTED = 0
    FAILOVER_SUPPORTED = 1


class DirectDebitingFailureHandling(IntEnum):
    TERMINATE_OR_BUFFER = 0
    CONTINUE = 1


class LowBalanceIndication(IntEnum):
    NOT_APPLICABLE = 0
    YES = 1


class ExperimentalResultCode(IntEnum):
    """Of vendor 10415: Experimental-Result-Code values of Sy (TS 29.219 clause 5.5)."""

    NO_AVAILABLE_POLICY_COUNTERS = 4241
    UNKNOWN_POLICY_COUNTERS = 5570


class SLRequestType(IntEnum):
    INITIAL_REQUEST = 0
    INTERMEDIATE_REQUEST = 1

"""CCR to charging event, outcome to CCA (RFC 8506, TS 32.299), without I/O; and the handler that joins them.

``request`` reads, ``answer`` writes, ``handler`` stands between the Diameter server and the charging engine.
"""

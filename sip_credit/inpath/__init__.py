"""In-path mode: a record-routing hop (RFC 3261 section 16) that sees a call and ends it itself."""

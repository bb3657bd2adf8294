"""The vault: accounts, buckets, reservations and the ledger; the only package that talks to the store."""

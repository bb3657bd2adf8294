"""TM Forum TMF654 Prepay Balance Management v4, as a facade over accounts; docs/tmf654.md says what of it is meant.

Buckets are an account's money and its bundles, tasks are done at once and are entries of the ledger.
"""

from ocs.http.tmf654 import balances, tasks

OPERATIONS = (*balances.OPERATIONS, *tasks.OPERATIONS)

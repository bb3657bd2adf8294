from tests.ledgers import ledger, store_url

__all__ = ["ledger", "store_url"]

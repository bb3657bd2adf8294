"""What is done while the store is gone: requests are answered on trust, and settled when it is back."""

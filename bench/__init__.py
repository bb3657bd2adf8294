"""How fast is the server? ``scripts/bench`` runs it; docs/performance.md tells how to read what it prints."""

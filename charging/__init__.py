"""What a service costs and who may use it: catalogue, rating, numbering and the charging engine."""

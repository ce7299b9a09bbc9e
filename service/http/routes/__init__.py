"""HTTP only: each module translates for one resource and delegates."""

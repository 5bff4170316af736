"""Bulk work on many machines: photos erased and sets built by actors of a Ray cluster. Needs the extra [scale]."""

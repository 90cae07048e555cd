"""Tables of rows: read, checked, counted."""

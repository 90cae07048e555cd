"""Public records -> training tables: readers, annotation wording, filters and splits that do not leak."""

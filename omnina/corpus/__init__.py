"""From public records to training CSVs: readers, annotation wording, filters, leakage-safe splits."""

"""Token ids on disk: written once, mapped into memory."""

"""What a variant does: likelihoods of a reference's windows with and without it."""

"""Parts of the solver of logistic regression."""

"""Several results folders side by side: settings that differ, scores, paired tests, evaluations."""

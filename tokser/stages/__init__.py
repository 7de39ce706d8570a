"""One function per stage: settings in, artefact and provenance out."""

"""Training of the bundled model: `python -m mild_core.training prepare`, then `… train`, then `… export`."""

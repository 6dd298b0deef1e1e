"""An in-memory Kubernetes API server for the tests: see README.md."""

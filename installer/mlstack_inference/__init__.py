"""What KServe leaves open on this platform: the gateway's routes to models, and why a model is not served."""

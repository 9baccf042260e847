"""A model server for the protocols of KServe (v1 and v2, REST and gRPC), and what fetches a model before it starts."""

"""Where an image comes from: registry, bundle or build; the OCI writer and the content store."""

"""The data-plane wire client: transport, signing, JSON protocols, errors."""

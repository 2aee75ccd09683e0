//! A loopback HTTPS server that answers a chart's webhooks.

//! A control plane of our own, in one folder, under one supervisor.

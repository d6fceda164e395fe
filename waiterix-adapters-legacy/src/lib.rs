//! The adapters of the providers Waiterix comes from, each a feature.

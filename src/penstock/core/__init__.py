"""Pure decisions: machines and functions that know no clock, no network, no store."""

"""The engine on a virtual clock, with simulated AWS, faults and an auditor."""

"""For use on one machine: the embedded AWS, the gateway, the project file."""

"""One thin function per DVC stage."""

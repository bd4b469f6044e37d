"""What each command does, a file each: engine calls in, sentences out."""

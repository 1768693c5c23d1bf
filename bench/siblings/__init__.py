"""What measuring a model at one batch size or CPU limit tells of another, and what taking others in passing gains."""

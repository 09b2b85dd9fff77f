"""Do the tests notice when the code is wrong? Small changes of it, drawn from a seed; each has to turn a test red."""

"""What hears phones in speech: a generator, an HMM or a CTC student, whichever the folder of a model holds, behind one door."""

"""What every provider needs, whoever the vendor is: HTTP, time-outs, errors, and answers that break off."""

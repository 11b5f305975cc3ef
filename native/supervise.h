/* What the two parts of sluice-init share. */
#ifndef SLUICE_SUPERVISE_H
#define SLUICE_SUPERVISE_H

/* Starts a command and tells the broker of it on a socket; returns the exit status of this program. */
int supervise(int argc, char **argv);

#endif

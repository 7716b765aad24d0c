// Package adf holds the text of tickets: it builds what we write (the Atlassian
// Document Format for Cloud, wiki markup for Data Center and for the service
// desk's own comment call) and reads what others wrote as plain text.
//
// What it builds validates, whatever text goes in, and cannot be turned into
// markup by that text. What it reads may be hostile: it is bounded, loses its
// links' targets where they are no web address, and is never given back as
// markup. It never decides anything by what a ticket says.
package adf

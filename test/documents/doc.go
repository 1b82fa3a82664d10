// Package documents reads the commands out of the documents, and types them on a
// lab:
//
//	README.md, docs/*.md ──► blocks ```sh PLACE  ──► lab: typed in their order
//	                     └─► `commands` in text  ──► the same lab, furnished
//
// A block says behind its fence where it is typed. A command that no test runs
// is in a list with the reason, and the list may not have more.
package documents

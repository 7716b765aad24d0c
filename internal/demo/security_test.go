package demo

import "testing"

// What security does where nothing is asked for: it looks at what a leaving comes to and
// says that somebody has left, notes and breaks a seal, and sees what is held of signals;
// and an owner gives a workload another contract. Every page is held against what every
// page must be.
func TestTheDeedsOfSecurityInTheBrowser(t *testing.T) {
	c := openCompany(t)
	b := openTab(t, c.base)

	// 1. A seal: what is wrong is said where it is written, and what was typed stays.
	b.be("Sam Whitfield")
	b.goTo("/seals")
	b.says("h2", "No seal that you may know of")
	b.seen("seals-empty")
	b.fill("#n-account", "sealed-admin")
	b.fill("#n-opens", "workspace:payroll-admin")
	b.fill("#n-first", "sam")
	b.fill("#n-second", "otto")
	b.fill("#n-place", "In the safe of the third floor")
	b.press("Note that it is sealed")
	b.says("[role=alert]", "Nothing was noted")
	b.script("the place stays", `document.querySelector("#n-place").value === "In the safe of the third floor"`)
	b.seen("seals-refused")
	b.fill("#n-first", "tess")
	b.press("Note that it is sealed")
	b.says("[role=status]", "Noted, and told to its custodians")
	b.says("h2", "sealed-admin at ")
	b.seen("seals")
	b.be("Otto Brandt")
	b.goTo("/seals")
	b.fill("textarea[name=reason]", "The envelope is torn")
	b.press("It is not to be relied on")
	b.says("[role=status]", "The seal is broken")
	b.seen("seals-broken")

	// 2. He owns a workload, and gives it another contract.
	b.goTo("/workload/contract?id=deploy-bot")
	b.says("h1", "Another contract")
	b.seen("contract")
	b.fill("input[name=rotate_every]", "often")
	b.fill("#reason", "Its keys live shorter")
	b.press("Change it")
	b.says("[role=alert]", "Not changed")
	b.seen("contract-refused")
	b.fill("input[name=rotate_every]", "30d")
	b.press("Change it")
	b.says("[role=status]", "It has another contract")

	// 3. Somebody leaves: what that comes to is seen before it is said.
	b.be("Sam Whitfield")
	b.goTo("/leavers")
	b.says("h1", "Leaving")
	b.fill("#who", "otto")
	b.press("Look")
	b.says("h2", "If otto left now")
	b.seen("leaver")
	b.press("They have left")
	b.says("[role=alert]", "Nothing was done")
	b.fill("#reason", "His last day was yesterday")
	b.press("They have left")
	b.says("h2", "otto has left")
	b.seen("leaver-left")

	// 4. Nothing is held of signals.
	b.goTo("/signals")
	b.says("h2", "Nothing is held")
	b.seen("signals-empty")
}

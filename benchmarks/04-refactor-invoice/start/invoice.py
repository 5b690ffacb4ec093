"""Renders the invoice of an order as text."""


def render(order):
    if not order["items"]:
        raise ValueError("an order without items has no invoice")
    out = "Invoice " + str(order["number"]) + "\n"
    total = 0
    tax_total = 0
    for item in order["items"]:
        if order["country"] == "DE":
            if item["quantity"] < 1:
                raise ValueError("quantity of " + item["name"] + " must be at least 1")
            net = item["price"] * item["quantity"]
            if item["quantity"] >= 100:
                net = net - net * 15 // 100
            else:
                if item["quantity"] >= 10:
                    net = net - net * 5 // 100
            if item["kind"] == "food":
                tax = net * 7 // 100
            else:
                if item["kind"] == "book":
                    tax = net * 7 // 100
                else:
                    if item["kind"] == "other":
                        tax = net * 19 // 100
                    else:
                        raise ValueError("no tax rate for " + item["kind"] + " in DE")
        elif order["country"] == "FR":
            if item["quantity"] < 1:
                raise ValueError("quantity of " + item["name"] + " must be at least 1")
            net = item["price"] * item["quantity"]
            if item["quantity"] >= 100:
                net = net - net * 15 // 100
            else:
                if item["quantity"] >= 10:
                    net = net - net * 5 // 100
            if item["kind"] == "food":
                tax = net * 5 // 100
            else:
                if item["kind"] == "other":
                    tax = net * 20 // 100
                else:
                    raise ValueError("no tax rate for " + item["kind"] + " in FR")
        elif order["country"] == "CH":
            if item["quantity"] < 1:
                raise ValueError("quantity of " + item["name"] + " must be at least 1")
            net = item["price"] * item["quantity"]
            if item["quantity"] >= 100:
                net = net - net * 15 // 100
            else:
                if item["quantity"] >= 10:
                    net = net - net * 5 // 100
            if item["kind"] == "food":
                tax = net * 3 // 100
            else:
                if item["kind"] == "book":
                    tax = net * 3 // 100
                else:
                    if item["kind"] == "other":
                        tax = net * 8 // 100
                    else:
                        raise ValueError("no tax rate for " + item["kind"] + " in CH")
        else:
            raise ValueError("no tax rates for " + order["country"])
        out = out + item["name"].ljust(20) + str(item["quantity"]).rjust(5)
        out = out + (str(net // 100) + "." + str(net % 100).rjust(2, "0")).rjust(12) + "\n"
        total = total + net
        tax_total = tax_total + tax
    out = out + "-" * 37 + "\n"
    out = out + "Net".ljust(25) + (str(total // 100) + "." + str(total % 100).rjust(2, "0")).rjust(12) + "\n"
    out = out + "Tax".ljust(25) + (str(tax_total // 100) + "." + str(tax_total % 100).rjust(2, "0")).rjust(12) + "\n"
    gross = total + tax_total
    out = out + "Total".ljust(25) + (str(gross // 100) + "." + str(gross % 100).rjust(2, "0")).rjust(12) + "\n"
    return out
